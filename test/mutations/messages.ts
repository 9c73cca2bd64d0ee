// Messages between module and agents: the app sees none, and what an app says harms nobody but itself.

import type { Mutation } from '../../scripts/mutations/mutation.ts';

const HIDING = 'test/agent/hiding.test.ts';
const MESSAGES = 'test/module/agents/agentMessages.test.ts';
const EARS = 'test/module/agents/hearAgents.test.ts';

export const mutations: readonly Mutation[] = [
  {
    harm: "an app's own message listener sees our triggers, and ends the app because it does not know them",
    file: 'agent/hiding.ts',
    find: 'if (hook) hook.take = mayTake;',
    replace: '',
    tests: [HIDING],
  },
  {
    harm: 'a message as large as somebody likes is looked through: the module stands still',
    file: 'module/agents/agentMessages.ts',
    find: 'if (!isSmall(data))',
    replace: 'if (isSmall(data) === undefined)',
    tests: [MESSAGES],
  },
  {
    harm: 'what moves a terminal’s cursor gets from an app onto the terminal of whoever asks',
    file: 'module/agents/agentMessages.ts',
    find: 'given.length <= most && !CONTROLS.test(given)',
    replace: 'given.length <= most',
    tests: [MESSAGES],
  },
  {
    harm: 'a process speaks for another',
    file: 'module/agents/hearAgents.ts',
    find: '.find((member) => member?.process.pid === pid)',
    replace: '.find((member) => member !== undefined)',
    tests: [EARS],
  },
];
