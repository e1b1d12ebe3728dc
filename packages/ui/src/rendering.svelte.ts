/**
 * The Markdown renderer is 28 KB in a file of its own, which may fail to come. Until it is here, and where it cannot be
 * had, a text is shown as the plain text it is.
 */
import type * as Markdown from './markdown';

type Renderer = typeof Markdown;

const PATIENCE_MS = 1500;

class Rendering {
  #renderer: Renderer | null = $state.raw(null);
  #settled = $state(false);
  #asked = false;

  /** The renderer, once it is here; asking for it fetches it. */
  get renderer(): Renderer | null {
    this.fetch();
    return this.#renderer;
  }

  /** False as long as it pays to wait, so that texts do not change their height before the reader's eyes. */
  get settled(): boolean {
    return this.#settled;
  }

  fetch(): void {
    if (this.#asked) return;
    this.#asked = true;
    setTimeout(() => (this.#settled = true), PATIENCE_MS);
    import('./markdown').then(
      (renderer) => {
        this.#renderer = renderer;
        this.#settled = true;
      },
      () => {
        this.#asked = false;
        this.#settled = true;
      },
    );
  }
}

export const rendering = new Rendering();
