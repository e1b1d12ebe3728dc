import names from './creatures.json';

/** The eight creatures, in the order in which sessions get them. */
export const CREATURES: readonly string[] = names;

// 8×8 pixels each: which session it is never rests on its hue alone.
const ART: Record<string, string[]> = {
  crab: [
    'X......X',
    '.X.XX.X.',
    '.XXXXXX.',
    'XX.XX.XX',
    'XXXXXXXX',
    'X.XXXX.X',
    'X.X..X.X',
    '..X..X..',
  ],
  ghost: [
    '..XXXX..',
    '.XXXXXX.',
    'XX.XX.XX',
    'XX.XX.XX',
    'XXXXXXXX',
    'XXXXXXXX',
    'XXXXXXXX',
    'X.XX.XX.',
  ],
  cat: [
    'X......X',
    'XX....XX',
    'XXXXXXXX',
    'X.XXXX.X',
    'XXXXXXXX',
    'XXX..XXX',
    '.XXXXXX.',
    '..X..X..',
  ],
  fish: [
    '...XX...',
    '..XXXX.X',
    '.X.XXXXX',
    'XXXXXXX.',
    'XXXXXXX.',
    '.XXXXXXX',
    '..XXXX.X',
    '...XX...',
  ],
  shroom: [
    '..XXXX..',
    '.XX.XXX.',
    'XXXXX.XX',
    'X.XXXXXX',
    'XXXXXXXX',
    '..X..X..',
    '..XXXX..',
    '..XXXX..',
  ],
  bird: [
    '..XXX...',
    '.X.XXX..',
    'XXXXXXX.',
    '..XXXXXX',
    '..XXXXXX',
    '...XXXX.',
    '....X.X.',
    '...XX.XX',
  ],
  rocket: [
    '...XX...',
    '..XXXX..',
    '..X..X..',
    '..XXXX..',
    '.XXXXXX.',
    'XXXXXXXX',
    'X.XXXX.X',
    '...XX...',
  ],
  squid: [
    '..XXXX..',
    '.XXXXXX.',
    '.X.XX.X.',
    '.XXXXXX.',
    '..XXXX..',
    '.X.XX.X.',
    'X.X..X.X',
    '.X....X.',
  ],
};

function outline(rows: string[]): string {
  return rows
    .flatMap((row, y) =>
      [...row.matchAll(/X+/g)].map(
        (run) => `M${run.index} ${y}h${run[0].length}v1h-${run[0].length}z`,
      ),
    )
    .join('');
}

const OUTLINES = new Map(Object.entries(ART).map(([name, rows]) => [name, outline(rows)]));

/** The drawing of a creature as an SVG path; a name from a newer server gets the ghost. */
export function creaturePath(name: string): string {
  return OUTLINES.get(name) ?? OUTLINES.get('ghost') ?? '';
}
