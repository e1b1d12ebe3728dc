/** The grammar that colours a file, by its name. */
const BY_NAME: Record<string, string> = {
  makefile: 'sh',
  dockerfile: 'sh',
  '.bashrc': 'sh',
  '.env': 'sh',
  'cargo.lock': 'toml',
};

const BY_ENDING: Record<string, string> = {
  cts: 'ts',
  mts: 'ts',
  cjs: 'js',
  pyi: 'py',
  rs: 'rust',
  htm: 'html',
  scss: 'css',
  less: 'css',
  jsonc: 'json',
  webmanifest: 'json',
};

export function languageOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  const ending = name.slice(name.lastIndexOf('.') + 1);
  return BY_NAME[name] ?? BY_ENDING[ending] ?? ending;
}
