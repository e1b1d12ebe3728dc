/** A proxy that terminates HTTPS in front of a server, as a person has one, under a name and with a certificate of its own. */
import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type Server as HttpsServer } from 'node:https';

export class Certificate {
  readonly #folder = mkdtempSync('/tmp/mainloop-certificate-');
  readonly key: Buffer;
  readonly cert: Buffer;

  constructor(readonly name: string) {
    const [key, cert] = [`${this.#folder}/key.pem`, `${this.#folder}/cert.pem`];
    const made = `-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name}`;
    const named = ['-addext', `subjectAltName=DNS:${name}`, '-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', '-x509', ...made.split(' '), ...named], { stdio: 'ignore' });
    [this.key, this.cert] = [readFileSync(key), readFileSync(cert)];
    rmSync(this.#folder, { recursive: true });
  }

  /** What Chromium is started with to know this name and to take this certificate, and no other, for a good one. */
  get trusted(): string[] {
    const { publicKey } = new X509Certificate(this.cert);
    const hash = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' }));
    return [
      `--host-resolver-rules=MAP ${this.name} 127.0.0.1`,
      `--ignore-certificate-errors-spki-list=${hash.digest('base64')}`,
    ];
  }
}

export interface Front {
  certificate: Certificate;
  port: number;
  /** Of the server behind it. */
  behind: number;
  /** Whether the server is told the name that the browser asked for, or is asked by the proxy's own for it. */
  keepsHost: boolean;
}

/** Takes what comes at a port to the server behind, piece by piece. */
export async function startProxy({
  certificate: { key, cert },
  port,
  behind,
  keepsHost,
}: Front): Promise<HttpsServer> {
  const proxy = createServer({ key, cert }, (came, answer) => {
    const host = keepsHost ? came.headers.host : `127.0.0.1:${behind}`;
    const { method, url: path } = came;
    const on = request(
      { host: '127.0.0.1', port: behind, method, path, headers: { ...came.headers, host } },
      (said) => {
        answer.writeHead(said.statusCode ?? 502, said.headers);
        said.pipe(answer);
      },
    );
    on.on('error', () => answer.destroy());
    answer.on('close', () => on.destroy());
    came.pipe(on);
  });
  proxy.listen(port, '127.0.0.1');
  await once(proxy, 'listening');
  return proxy;
}
