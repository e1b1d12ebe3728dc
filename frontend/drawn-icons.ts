/**
 * Lucide's icons as pictures that stand in a template. The package's own component puts any icon together element by
 * element whenever it is drawn, which on a phone took a tenth of the first screen's time.
 */
import type { Plugin } from 'vite';

const ICON = /@lucide\/svelte\/dist\/icons\/[\w-]+\.svelte$/;
const DATA = /const iconData = (\{.*\});/;

/** What the page gives to icons; anything else is not drawn. */
export const TAKEN = ['size', 'strokeWidth', 'fill', 'class', 'aria-label', 'aria-hidden'];

interface Icon {
  name: string;
  size: number;
  node: [tag: string, attributes: Record<string, string>][];
}

function component({ name, size, node }: Icon): string {
  const drawn = node.map(([tag, attributes]) => {
    const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${value}"`);
    return `<${tag}${written.join('')} />`;
  });
  return `<script>
  let {
    size = ${size}, strokeWidth = 2, fill = 'none', class: classes,
    'aria-label': label, 'aria-hidden': hidden = label ? undefined : 'true',
  } = $props();
</script>

<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" stroke="currentColor" stroke-linecap="round"
  stroke-linejoin="round" width={size} height={size} {fill} stroke-width={strokeWidth}
  class={['lucide lucide-${name}', classes]} aria-label={label} aria-hidden={hidden}>${drawn.join('')}</svg>
`;
}

export function drawnIcons(): Plugin {
  return {
    name: 'mainloop-drawn-icons',
    enforce: 'pre',
    transform: {
      filter: { id: ICON },
      handler(source, id) {
        const data = DATA.exec(source)?.[1];
        if (!data) throw new Error(`${id} is no icon as Lucide wrote them before`);
        return { code: component(JSON.parse(data) as Icon), map: null };
      },
    },
  };
}
