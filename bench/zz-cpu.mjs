import { chromium } from '@playwright/test';
import fs from 'node:fs'; import { execSync } from 'node:child_process';
const extra = process.argv.slice(3); const exe = process.argv[2];
const b = await chromium.launchServer({ executablePath: exe, args: ['--no-sandbox','--disable-gpu','--no-first-run','--disable-background-networking', ...extra] });
const br = await chromium.connect(b.wsEndpoint());
const tree = (pid) => { let out=[pid]; for (const c of execSync(`ps -o pid= --ppid ${pid} || true`).toString().trim().split(/\s+/).filter(Boolean)) out=out.concat(tree(c)); return out; };
const cpu = () => tree(b.process().pid).reduce((s,p)=>{ try { const f=fs.readFileSync(`/proc/${p}/stat`,'utf8').split(') ')[1].split(' '); return s+ +f[11]+ +f[12]+ +f[13]+ +f[14];} catch { return s; } },0)/100;
console.log('launched', cpu().toFixed(2));
for (let i=0;i<6;i++){ const c=await br.newContext(); const p=await c.newPage(); await p.goto('data:text/html,<p>x'); await p.waitForTimeout(2500); if(i===2) console.log(tree(b.process().pid).length,'processes'); await c.close(); }
console.log('six contexts', cpu().toFixed(2));
await br.close(); await b.close();
