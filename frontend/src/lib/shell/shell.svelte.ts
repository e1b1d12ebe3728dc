/** What lies over the page. */
class ShellState {
  starting = $state(false);
  helping = $state(false);
}

export const shell = new ShellState();
