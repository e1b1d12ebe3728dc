/** The words of what one asked to be told of a session, loaded with what shows them. */
import type { WatchedFor } from '$lib/live/types';
import { dollars } from '$lib/shared/time';

export const watches = {
  title: 'What you are told of',
  when: {
    done: 'when it is done',
    green: 'when its tests pass',
    merged: 'when it is merged',
    asks: 'when it asks something',
    cost: 'when it costs',
  } satisfies Record<WatchedFor, string>,
  above: (amount: number) => `more than ${dollars(amount)}`,
  again: 'each time',
  told: (name: string, when: string) => `You are told of ${name} ${when}.`,
  untold: (name: string, when: string) => `You are not told of ${name} ${when} any more.`,
  stopIt: 'Don’t tell me',
  stopOf: (name: string, when: string) => `Don’t tell me of ${name} ${when}`,
  tell: {
    done: 'Tell me when it is done',
    green: 'Tell me when its tests pass',
    merged: 'Tell me when it is merged',
    asks: 'Tell me when it asks',
    cost: 'Tell me what it costs',
  } satisfies Record<WatchedFor, string>,
  tellAbove: (amount: number) => `Tell me above ${dollars(amount)}`,
  stop: {
    done: 'Don’t tell me when it is done',
    green: 'Don’t tell me of its tests',
    merged: 'Don’t tell me of its merge',
    asks: 'Don’t tell me when it asks',
    cost: 'Don’t tell me what it costs',
  } satisfies Record<WatchedFor, string>,
};
