/** The wire in the page's words. Every shape is the API's own. */
import type { components } from '@mainloop/api-client';

type Schemas = components['schemas'];

export type SessionState = Schemas['SessionState'];
export type BlobRef = Schemas['BlobRef'];
export type Attachment = Schemas['Attachment'];
export type MessageBody = Schemas['MessageBody'];
export type ReasoningBody = Schemas['ReasoningBody'];
export type ToolCallBody = Schemas['ToolCallBody'];
export type TodoBody = Schemas['TodoBody'];
export type TurnEndedBody = Schemas['TurnEndedBody'];
export type ResultBody = Schemas['ResultBody'];
export type NoticeBody = Schemas['NoticeBody'];
export type AwayBody = Schemas['AwayBody'];
export type RunBody = Schemas['RunBody'];
export type Session = Schemas['Session'];
export type KeptWork = Schemas['KeptWork'];
export type KeptFiles = Schemas['KeptFiles'];
export type Diff = Schemas['Diff'];
export type ChangedFile = Schemas['ChangedFile'];
export type FileDiff = Schemas['FileDiff'];
export type DiffHunk = Schemas['Hunk'];
export type Question = Schemas['Question'];
export type QuestionAsk = Schemas['QuestionAsk'];
export type PlanAsk = Schemas['PlanAsk'];
export type PermissionAsk = Schemas['PermissionAsk'];
export type FormAsk = Schemas['FormAsk'];
export type Answer = Schemas['Answer'];
export type Item = Schemas['Item'];
export type Permission = Schemas['Permission'];
export type Hit = Schemas['Hit'];
export type Hits = Schemas['Hits'];
export type Keys = Schemas['PutKeys']['keys'];
export type Mark = Schemas['Mark'];
export type Preview = Schemas['Preview'];
export type GivenPermission = Schemas['GivePermission'];
export type Offer = Schemas['Offer'];
export type ProposedChange = Schemas['Change'];
export type MergePolicy = Schemas['MergePolicy'];
export type Project = Schemas['Project'];
export type ProjectChanges = Schemas['ChangeProject'];
export type FoundInProject = Schemas['Found'];
export type Settings = Schemas['ShownSettings'];
export type Device = Schemas['Device'];
export type OpenMessage = Schemas['OpenMessage'];
export type State = Schemas['State'];
export type Check = Schemas['Check'];
export type WatchedFor = Schemas['Watch']['condition'];
export type Schedule = Schemas['Schedule'];
export type Attention = Schemas['AttentionBody'];
export type Preferences = Schemas['PreferencesBody'];
export type ItemAttention = Schemas['ItemAttention'];
export type Mute = Schemas['Mute'];
export type Notifier = Schemas['NotifierBody'];
export type Usage = Schemas['UsageReport'];
export type Sum = Schemas['Sum'];
export type Ceiling = Schemas['Ceiling'];
export type Delta = Schemas['DeltaEvent'];
export type Status = Schemas['Status'];
export type StatusNews = Schemas['StatusEvent'];

/** The bodies of a thread's log by kind. */
export type Bodies = Schemas['EventBodies'];
export type Kind = keyof Bodies;

type Logged = Omit<Schemas['Event'], 'kind' | 'body'>;

export type EventOf<K extends Kind> = Logged & { kind: K; body: Bodies[K] };
export type Event = { [K in Kind]: EventOf<K> }[Kind];
