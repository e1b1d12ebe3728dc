/** The words of what is shown outside of the page. */

export const worker = {
  allow: 'Allow once',
  deny: 'Deny',
  kept: (answer: string) => `“${answer}” is kept here, and sent as soon as there is a line.`,
  lost: 'There is no line, and this browser can’t keep an answer: it may not have been given. Open mainloop to see.',
  signedOut: 'This browser was signed out, so nothing was answered. Open mainloop to sign in.',
};
