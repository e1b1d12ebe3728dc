/** What lies over the page. */
class ShellState {
  /** A session is being started by hand, with these words. */
  starting = $state.raw<{ prompt: string; project?: string } | null>(null);
  /** The thread that is searched in. */
  finding = $state('');
  helping = $state(false);
  palette = $state.raw<{ query: string } | null>(null);
}

export const shell = new ShellState();
