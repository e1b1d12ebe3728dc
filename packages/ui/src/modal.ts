/**
 * Opens a dialog over the page; Escape and a press beside it close it. When it goes, the focus is back where it was,
 * unless it has gone elsewhere.
 */
export function modal(onclose: () => void): (dialog: HTMLDialogElement) => () => void {
  return (dialog) => {
    const before = document.activeElement;
    const cancel = (event: Event) => {
      event.preventDefault();
      onclose();
    };
    const beside = (event: Event) => {
      if (event.target === dialog) onclose();
    };
    dialog.addEventListener('cancel', cancel);
    dialog.addEventListener('click', beside);
    dialog.showModal();
    return () => {
      dialog.removeEventListener('cancel', cancel);
      dialog.removeEventListener('click', beside);
      dialog.close();
      const { activeElement } = document;
      const gone =
        !activeElement || activeElement === document.body || dialog.contains(activeElement);
      if (gone && before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  };
}
