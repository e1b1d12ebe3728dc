/** What can be done about what a session proposes, described once. */
import { review } from '$lib/live/proposed';
import type { MergePolicy, Project, ProposedChange, Session } from '$lib/live/types';
import type { App } from '$lib/shared/app.svelte';
import { newId } from '$lib/shared/ids';

/** The person's yes to a commit. */
export async function approve(app: App, session: string, commit: string): Promise<void> {
  const id = newId();
  await review(app.connection.api, session, { id, verdict: 'approved', commit, text: '' });
}

export type Check = ProposedChange['checks'][number];

/** The newest run of the tests on the newest commit. */
export function checkOf(change: ProposedChange): Check | undefined {
  return change.checks.find((check) => check.commit === change.commit);
}

/** How it stands with the tests, as far as the project wants them. */
export function testsOf(
  change: ProposedChange,
  project: Project | undefined,
): 'fine' | 'running' | 'missing' | 'red' {
  const check = checkOf(change)?.state;
  if (!project?.settings.test || !project.settings.merge.needs_green || check === 'passed')
    return 'fine';
  if (check === 'failed') return 'red';
  return check === 'queued' || check === 'running' ? 'running' : 'missing';
}

export interface Acts {
  /** The one that is meant first. */
  first: 'approve' | 'merge' | null;
  /** Approved is merged: nothing else is missing. */
  mergesThen: boolean;
  sendBack: boolean;
  merge: boolean;
  check: boolean;
  stopCheck: boolean;
  takeOver: boolean;
  ask: boolean;
  discard: boolean;
}

export function actsOn(
  change: ProposedChange,
  session: Pick<Session, 'state'>,
  project: Project | undefined,
): Acts {
  const policy: MergePolicy | undefined = project?.settings.merge;
  const rests = session.state !== 'working' && session.state !== 'starting';
  const open = change.state === 'open' && rests;
  const mergeable = open && change.base_commit !== null && change.conflicts.length === 0;
  const tests = testsOf(change, project);
  const wantsApproval = mergeable && !change.approved && (policy?.needs_approval ?? true);
  // What is merged by itself in a moment needs no button.
  const goesOn = change.approved && (policy?.by_itself ?? false) && tests === 'running';
  const check = checkOf(change)?.state;
  const runs = check === 'queued' || check === 'running';
  const tested = Boolean(project?.settings.test) && change.state === 'open';
  return {
    first: wantsApproval ? 'approve' : mergeable && !goesOn ? 'merge' : null,
    mergesThen: (policy?.by_itself ?? false) && tests === 'fine',
    sendBack: open,
    merge: mergeable,
    check: tested && !runs,
    stopCheck: tested && runs,
    takeOver: change.state !== 'merging' && Boolean(project?.source.startsWith('/')),
    ask: change.state === 'open' && change.base_commit !== null,
    discard: open,
  };
}

/**
 * Whether the person may propose what is there: commits that no open or merged change has, of a session that is at rest.
 * What was discarded may be proposed again once it is back.
 */
export function isProposable(session: Session, newest: string | undefined): boolean {
  const { change, state } = session;
  const isOver = !change || change.state === 'merged' || change.state === 'closed';
  return (
    isOver &&
    newest !== undefined &&
    (change?.state === 'closed' || newest !== change?.commit) &&
    !['starting', 'working', 'done'].includes(state)
  );
}
