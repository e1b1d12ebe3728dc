/**
 * Page and worker take turns with what stands outside of the page: Chromium forgets a notification when somebody asks
 * for those that stand while it is being shown, and then nothing takes it away and a tap on it leads nowhere.
 */
export function inTurn<T>(act: () => Promise<T>): Promise<T> {
  return navigator.locks.request('mainloop.notifications', act) as Promise<T>;
}
