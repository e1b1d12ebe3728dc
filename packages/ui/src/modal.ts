/** Opens a dialog over the page; when it goes, the focus is back where it was, unless it has gone elsewhere. */
export function modal(dialog: HTMLDialogElement): () => void {
  const before = document.activeElement;
  dialog.showModal();
  return () => {
    dialog.close();
    const { activeElement } = document;
    const gone =
      !activeElement || activeElement === document.body || dialog.contains(activeElement);
    if (gone && before instanceof HTMLElement) before.focus({ preventScroll: true });
  };
}
