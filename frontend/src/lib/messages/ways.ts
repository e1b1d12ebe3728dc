/** The words of how one comes to https, loaded where it is missing. */

export const ways = {
  title: 'Three ways to come here safely',
  missing:
    'Over plain http a browser allows no notifications, nothing on the home screen that opens without a line, and anybody on the way can read along.',
  each: [
    {
      id: 'network',
      title: 'A private network',
      text: 'A VPN of your own that gives this machine a name and a certificate. With Tailscale, on the machine that mainloop runs on:',
      commands: (port: string) => [
        `tailscale serve --bg ${port}`,
        'MAINLOOP_PUBLIC_URL=https://NAME.TAILNET.ts.net mainloop up',
      ],
    },
    {
      id: 'tunnel',
      title: 'A tunnel through SSH',
      text: 'Nothing to set up on that machine; this one is then asked at an address that browsers trust:',
      commands: (port: string) => [`ssh -L ${port}:127.0.0.1:${port} you@your-machine`],
    },
    {
      id: 'proxy',
      title: 'A proxy with a certificate',
      text: 'Caddy, nginx or another one, under a name of your own. With Caddy:',
      commands: (port: string) => [
        `caddy reverse-proxy --from desk.example.org --to 127.0.0.1:${port}`,
        'MAINLOOP_PUBLIC_URL=https://desk.example.org mainloop up',
      ],
    },
  ],
  then: 'Then mainloop pair prints a link with that address. Open it here: each address signs in by itself. All of it, with pictures, is in docs/guides/phone.md.',
};
