import { beforeEach, describe, expect, test } from 'vitest';
import { Drafts } from '$lib/shared/drafts';
import type { Question } from '$lib/live/types';
import { changeOf } from './change';
import { inWords } from './inbox.svelte';
import { QuestionForm } from './question-form.svelte';

const option = (label: string) => ({ label, description: '' });
const question = (text: string, more: Partial<Question> = {}): Question => ({
  question: text,
  header: '',
  multi_select: false,
  options: [option('one'), option('two')],
  ...more,
});

beforeEach(() => localStorage.clear());

describe('a form of questions', () => {
  test('one question with options is answered with one tap', () => {
    const form = new QuestionForm('i', [question('Which?')], new Drafts(localStorage));
    expect(form.choose('two')).toBe(true);
    expect(form.complete()).toEqual({ 'Which?': 'two' });
  });

  test('several are asked one at a time, can be gone back to, and go together', () => {
    const form = new QuestionForm('i', [question('A?'), question('B?')], new Drafts(localStorage));
    expect(form.choose('one')).toBe(false);
    expect(form.at).toBe(1);
    expect(form.complete()).toBeNull();
    form.back();
    form.choose('two');
    expect(form.choose('one')).toBe(true);
    expect(form.complete()).toEqual({ 'A?': 'two', 'B?': 'one' });
  });

  test('many may be chosen where the question says so, with own words among them', () => {
    const form = new QuestionForm(
      'i',
      [question('A?', { multi_select: true })],
      new Drafts(localStorage),
    );
    form.choose('one');
    form.choose('two');
    form.choose('one');
    form.write('three');
    expect(form.next()).toBe(true);
    expect(form.complete()).toEqual({ 'A?': ['two', 'three'] });
  });

  test('own words are enough, and are kept as a draft while their question is open', () => {
    const drafts = new Drafts(localStorage);
    const form = new QuestionForm('i', [question('A?')], drafts);
    form.write('neither');
    drafts.flush();
    const again = new QuestionForm('i', [question('A?')], new Drafts(localStorage));
    expect(again.ownWords).toBe('neither');
    expect(form.complete()).toEqual({ 'A?': 'neither' });
    // The answer may be undone or refused.
    expect(new QuestionForm('i', [question('A?')], drafts).ownWords).toBe('neither');
  });

  test('what was chosen is there again when the answer is undone', () => {
    const drafts = new Drafts(localStorage);
    const questions = [question('A?', { multi_select: true }), question('B?')];
    const form = new QuestionForm('i', questions, drafts);
    form.choose('one');
    form.next();
    form.choose('two');
    const again = new QuestionForm('i', questions, drafts);
    expect(again.isChosen('one')).toBe(true);
    expect(again.complete()).toEqual({ 'A?': ['one'], 'B?': 'two' });
  });

  test('nothing said is no answer', () => {
    const form = new QuestionForm('i', [question('A?')], new Drafts(localStorage));
    form.write('   ');
    expect(form.next()).toBe(false);
    expect(form.complete()).toBeNull();
  });
});

test('an answer in words', () => {
  const given = { scope: 'project' as const, pattern: 'npm test' };
  expect(inWords({ id: 'a', decision: 'allow' })).toBe('Allowed once');
  expect(inWords({ id: 'a', decision: 'allow', ...given })).toBe('Allowed from now on: npm test');
  expect(
    inWords({ decision: 'allow', answers: {}, values: {}, text: '', always: 'npm test' }),
  ).toBe('Allowed from now on: npm test');
  expect(inWords({ id: 'a', decision: 'deny', text: 'too risky' })).toBe('Denied: too risky');
  expect(inWords({ id: 'a', decision: 'answer', answers: { 'A?': ['x', 'y'] } })).toBe('x, y');
});

describe('what a permission would change', () => {
  test('is shown as lines out and lines in', () => {
    const change = changeOf({ file_path: 'a.py', old_string: 'a\nb\nc', new_string: 'a\nB\nc' });
    expect(change?.lines.map((line) => `${line.kind} ${line.text}`)).toEqual([
      'same a',
      'del b',
      'add B',
      'same c',
    ]);
  });

  test('is all new for a new file, and nothing where the input names no file', () => {
    expect(
      changeOf({ file_path: 'a', content: 'x\ny\n' })?.lines.map(
        (line) => `${line.kind} ${line.text}`,
      ),
    ).toEqual(['add x', 'add y']);
    expect(changeOf({ command: 'ls' })).toBeNull();
  });
});
