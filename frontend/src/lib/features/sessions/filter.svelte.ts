/** Which sessions the lists show: those that have these words, of this project. One for the whole page. */
import type { Session } from '$lib/live/types';
import { fit } from '$lib/features/palette/match';

class SessionFilter {
  text = $state('');
  /** A project's id; empty: all. */
  project = $state('');

  get active(): boolean {
    return Boolean(this.text.trim() || this.project);
  }

  /** Whether a session is shown. What belongs to no session is, while nothing is filtered. */
  takes(session: Session | undefined): boolean {
    if (!session) return !this.active;
    if (this.project && session.project_id !== this.project) return false;
    return fit(this.text, session.handle, session.title) > 0;
  }

  clear(): void {
    this.text = '';
    this.project = '';
  }
}

export const filter = new SessionFilter();
