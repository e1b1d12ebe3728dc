/** The words of schedules, loaded with what shows them. */

export const schedules = {
  title: 'Schedules',
  text: 'What mainloop is told to do at a time. Ask for it in the conversation (“every morning at eight say what waits”), or add it here.',
  none: 'Nothing is scheduled.',
  cancel: 'Cancel',
  cancelOf: (what: string) => `Cancel: ${what}`,
  open: 'Add one',
  what: 'What to do',
  example: 'Say what waits for me.',
  when: 'When',
  whens: { once: 'once', daily: 'every day', workdays: 'on workdays', weekly: 'every Monday' },
  at: 'At',
  day: 'Day and time',
  add: 'Add',
  close: 'Never mind',
  zone: (name: string) => `Times are those of the clock in ${name}.`,
  next: (when: string) => `next ${when}`,
  rule: (rule: string) => `again and again (${rule})`,
};
