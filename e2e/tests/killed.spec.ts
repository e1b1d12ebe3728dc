import { ask, spawn } from '../src/steps.ts';
import { expect, test, useServer } from '../src/test.ts';
import { asks, block, idOf, said, say } from '../src/ui.ts';

const server = useServer({ agent: 'claude' });

// spec: chat-18, sessions-18, inbox-16
test(
  'a server killed in the middle of it all changes nothing but a moment of silence',
  {
    tag: '@wide',
  },
  async ({ visit }) => {
    await server().model.rules(
      {
        match: 'Look into wind and rain in parallel',
        steps: [
          {
            text: 'I start two sessions.',
            ...spawn(
              { title: 'Where the wind comes from', prompt: 'Find the wind.' },
              { title: 'Where the rain goes', prompt: 'Find the rain.' },
            ),
          },
          {
            text: 'They are on their way, and I stay here to listen.',
            chunks: 4,
            gate_mid: 'main',
          },
        ],
      },
      {
        match: 'Find the wind',
        steps: [
          { text: 'It comes from the sea, always from the sea.', chunks: 4, gate_mid: 'wind' },
        ],
      },
      {
        match: 'Find the rain',
        steps: [ask('Which river?', 'Elbe', 'Rhine'), { text: 'It went into: {{result}}' }],
      },
    );
    const page = await visit(server());
    await say(page, 'Look into wind and rain in parallel');
    const wind = block(page, 'Where the wind comes from');
    const rain = block(page, 'Where the rain goes');
    await expect(said(page, 'They are on')).toBeVisible();
    await expect(wind).toHaveAttribute('data-state', 'working');
    await expect(asks(rain, 'Which river?')).toBeVisible();
    await wind.getByRole('button', { name: 'Show the conversation' }).click();
    await expect(said(wind, 'It comes')).toHaveCount(1);
    const [windId, rainId] = [await idOf(wind), await idOf(rain)];
    const before = [...server().processes(windId), ...server().processes(rainId)].sort();

    await server().kill();
    await server().model.open('main');
    await server().model.open('wind');
    await server().start();
    expect([...server().processes(windId), ...server().processes(rainId)].sort()).toEqual(before);

    await expect(said(wind, 'It comes from the sea, always from the sea.')).toHaveCount(1);
    await expect(wind).toHaveAttribute('data-state', 'idle');
    await expect(said(page, 'They are on their way, and I stay here to listen.')).toHaveCount(1);
    await expect(asks(rain, 'Which river?')).toBeVisible();
    await expect(page.getByText('Offline since')).toHaveCount(0);
    await expect(page.locator('[data-session]')).toHaveCount(2);
    await asks(rain, 'Which river?').getByRole('radio', { name: 'Elbe' }).click();
    await expect(rain).toHaveAttribute('data-state', 'idle');
    await expect(rain).toContainText('It went into:');
    await expect(rain).toContainText('Elbe');
    await expect(page.locator(`[data-notice="${windId}"]`)).toHaveCount(1);
    await expect(page.getByText('cut off')).toHaveCount(0);

    await page.reload();
    await expect(said(page, 'They are on their way, and I stay here to listen.')).toHaveCount(1);
    await expect(page.locator(`[data-notice="${windId}"]`)).toHaveCount(1);
  },
);
