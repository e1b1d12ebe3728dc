import type { GivenAnswer } from '$lib/live/api';

/** Answers an item; held for an undo by whoever takes it. */
export type Give = (answer: Omit<GivenAnswer, 'id'>) => void;
