declare global {
  interface Window {
    /** Answers on the way by their address: `app.html` asks, `live/api.ts` takes. */
    asked?: Record<string, Promise<Response>>;
  }
  namespace App {
    interface PageState {
      /** True where the page was opened from within, so that going back leads to where one was. */
      inside?: boolean;
    }
  }
}

export {};
