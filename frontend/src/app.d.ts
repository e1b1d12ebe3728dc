declare global {
  namespace App {
    interface PageState {
      /** True where the page was opened from within, so that going back leads to where one was. */
      inside?: boolean;
    }
  }
}

export {};
