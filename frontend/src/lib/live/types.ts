/** The wire, as docs/architecture.md and mainloop_models write it. */

export type SessionState =
  'starting' | 'working' | 'waiting' | 'idle' | 'in_review' | 'failed' | 'cancelled' | 'done';

export interface BlobRef {
  id: string;
  size: number;
}

export interface MessageBody {
  id: string;
  role: 'user' | 'assistant' | 'system';
  text: string;
  status: 'queued' | 'delivered' | 'finished' | 'withdrawn';
  mode: 'queue' | 'steer';
  turn: number | null;
  from_thread: string | null;
  demo: boolean;
  blob: BlobRef | null;
}

export interface ReasoningBody {
  id: string;
  text: string;
  turn: number;
  duration_ms: number;
  blob: BlobRef | null;
}

export interface ToolCallBody {
  id: string;
  turn: number;
  tool: string;
  title: string;
  input: Record<string, unknown>;
  status: 'running' | 'ok' | 'error' | 'denied' | 'unknown';
  output: string;
  blob: BlobRef | null;
  parent_id: string | null;
}

export interface TodoBody {
  turn: number;
  entries: { text: string; status: 'pending' | 'in_progress' | 'completed' }[];
}

export interface TurnStartedBody {
  turn: number;
  message_ids: string[];
}

export interface AgentError {
  code: string;
  message: string;
  hint: string;
}

export interface TurnEndedBody {
  turn: number;
  outcome: 'completed' | 'interrupted' | 'deferred' | 'failed' | 'cut_off';
  error: AgentError | null;
  usage: {
    input_tokens: number;
    output_tokens: number;
    cache_read_tokens: number;
    cache_write_tokens: number;
  };
  cost_usd: number | null;
  duration_ms: number;
}

export interface ResultBody {
  turn: number;
  text: string;
  source: 'report' | 'text';
  outcome: 'done' | 'partial' | 'blocked';
  blob: BlobRef | null;
}

export interface NoticeBody {
  session_id: string;
  about: 'result' | 'message' | 'item' | 'failed' | 'cancelled' | 'done';
  text: string;
  seq: number;
}

export interface RunBody {
  run: number;
  what: 'started' | 'parked' | 'ended' | 'lost';
  text: string;
}

export interface Anchor {
  thread_id: string;
  message_id: string | null;
  call_id: string | null;
}

export interface Session {
  id: string;
  title: string;
  handle: string;
  hue: number;
  creature: string;
  state: SessionState;
  reason: string;
  agent: string;
  model: string | null;
  project_id: string | null;
  project: string | null;
  workspace: string;
  branch: string | null;
  anchor: Anchor | null;
  parked: boolean;
  activity: string;
  queued: number;
  turn: number;
  result: {
    turn: number;
    text: string;
    outcome: 'done' | 'partial' | 'blocked';
    at: string;
  } | null;
  cost_usd: number | null;
  demo: boolean;
  confined: boolean;
  created_at: string;
  updated_at: string;
  ended_at: string | null;
}

export interface SessionStartedBody {
  session_id: string;
  anchor: Anchor;
}

export interface Option {
  label: string;
  description: string;
  preview: string | null;
}

export interface Question {
  question: string;
  header: string;
  multi_select: boolean;
  options: Option[];
}

export interface QuestionAsk {
  kind: 'question';
  questions: Question[];
}
export interface PlanAsk {
  kind: 'plan';
  plan: string;
}
export interface PermissionAsk {
  kind: 'permission';
  tool: string;
  input: Record<string, unknown>;
  command: string | null;
  effect: string;
  subagent: string | null;
}
export type Ask = QuestionAsk | PlanAsk | PermissionAsk;

export type Decision = 'allow' | 'deny' | 'approve' | 'revise' | 'answer' | 'dismiss' | 'retry';

export interface Answer {
  decision: Decision;
  answers: Record<string, string | string[]>;
  text: string;
}

export interface Item {
  id: string;
  kind: 'question' | 'plan' | 'permission' | 'failure' | 'ceiling' | 'stall' | 'sign_in';
  thread_id: string;
  session_id: string | null;
  title: string;
  ask: Ask | null;
  notice: { kind: string; text: string; hint: string; decisions: ('retry' | 'dismiss')[] } | null;
  turn: number | null;
  call_id: string | null;
  state: 'open' | 'answered' | 'closed';
  opened_at: string;
  closed_at: string | null;
  answer: Answer | null;
  closed_by: string;
}

export interface Project {
  id: string;
  name: string;
  source: string;
  default_branch: string;
  state: 'fetching' | 'ready' | 'failed';
  error: string;
  created_at: string;
}

export interface AgentKind {
  kind: string;
  name: string;
  available: boolean;
  why: string;
  models: string[];
}

export interface Settings {
  agents: AgentKind[];
  default_agent: string;
  demo: boolean;
  sandbox: { kind: string; confined: boolean; text: string };
  credentials: { found: boolean; text: string; hint: string };
}

export interface Device {
  id: string;
  name: string;
}

export interface ListedDevice extends Device {
  created_at?: string;
  last_seen_at?: string | null;
  current?: boolean;
}

export interface OpenMessage {
  thread_id: string;
  message_id: string;
  what: 'text' | 'reasoning';
  turn: number;
  text: string;
}

export interface State {
  cursor: string;
  version: string;
  person: { name: string };
  device: Device;
  main: { id: string; turn: number; working: boolean; seq: number };
  sessions: Session[];
  items: Item[];
  projects: Project[];
  queued: { thread_id: string; message: MessageBody }[];
  open_messages: OpenMessage[];
  settings: Settings;
}

export interface Check {
  name: string;
  ok: boolean;
  level: 'ok' | 'warn' | 'fail';
  text: string;
  hint: string;
}

/** The bodies of a thread's log by kind. */
export interface Bodies {
  message: MessageBody;
  reasoning: ReasoningBody;
  tool_call: ToolCallBody;
  todo: TodoBody;
  turn_started: TurnStartedBody;
  turn_ended: TurnEndedBody;
  result: ResultBody;
  notice: NoticeBody;
  run: RunBody;
  session: Session;
  session_started: SessionStartedBody;
  item: Item;
}

interface Logged {
  cursor: string;
  thread_id: string;
  seq: number;
  at: string;
}

export type Event = { [K in keyof Bodies]: Logged & { kind: K; body: Bodies[K] } }[keyof Bodies];
export type EventOf<K extends keyof Bodies> = Extract<Event, { kind: K }>;

export interface Delta {
  thread_id: string;
  message_id: string;
  what: 'text' | 'reasoning';
  turn: number;
  offset: number;
  text: string;
}
