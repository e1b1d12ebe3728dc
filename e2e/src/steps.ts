/** What agents do in these tests, as steps of a script. */
import { call, type Step } from './model.ts';

export function spawn(...sessions: { title: string; prompt: string; agent?: string }[]): Step {
  return { tools: sessions.map((session) => call('mcp__mainloop__spawn_session', session)) };
}

export function bash(command: string, description = ''): Step {
  return { tools: [call('Bash', { command, ...(description && { description }) })] };
}

export function ask(question: string, ...options: string[]): Step {
  return {
    tools: [
      call('AskUserQuestion', {
        questions: [
          {
            question,
            header: 'Choice',
            multiSelect: false,
            options: options.map((label) => ({ label, description: '' })),
          },
        ],
      }),
    ],
  };
}

/** How Claude comes to show a plan: it writes it into a file of its own choosing first. */
export function plan(text: string): Step[] {
  const path = '{{find:create your plan at (\\S+?\\.md)}}';
  return [
    { tools: [call('EnterPlanMode', {})] },
    { tools: [call('Write', { file_path: path, content: text })] },
    { tools: [call('ExitPlanMode', {})] },
  ];
}

export function report(text: string): Step {
  return { tools: [call('mcp__mainloop__report', { text, outcome: 'done' })] };
}
