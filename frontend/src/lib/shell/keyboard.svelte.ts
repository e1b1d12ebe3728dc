/** Whether a phone's keyboard covers part of the page: the tab bar then makes room. */
class Keyboard {
  #open = $state(false);

  constructor() {
    const view = window.visualViewport;
    const look = () => {
      const typing = document.activeElement?.matches('textarea, input') ?? false;
      this.#open = typing && view !== null && view.height < window.screen.height * 0.62;
    };
    view?.addEventListener('resize', look);
    document.addEventListener('focusout', () => setTimeout(look, 60));
    document.addEventListener('focusin', () => setTimeout(look, 60));
  }

  get open(): boolean {
    return this.#open && matchMedia('(pointer: coarse)').matches;
  }
}

export const keyboard = new Keyboard();
