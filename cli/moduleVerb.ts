// Makes a command of an action of the module, such as `attach`, that prints its outcome.
import { printable } from '../shared/text/printable.ts';
import { askModule } from './askModule.ts';
import type { Command } from './command.ts';
import { complain, say } from './output.ts';

interface Outcome {
  ok: boolean;
  message?: string;
  hint?: string;
  processes?: unknown[];
}

/** The command for an action that takes a target: a pm_id, an app's name, or `all`. */
export function moduleVerb(name: string, summary: string): Command {
  return {
    name,
    summary,
    arguments: ['[app|id|all]'],
    options: {},
    async run({ positionals: [target = 'all'] }) {
      const { ok, message, hint, processes = [] } = await askModule<Outcome>(name, target);
      if (!ok) {
        complain(`pm2-ops: ${printable(String(message))}\n${printable(String(hint))}`);
        return 1;
      }
      const count = `${processes.length} process${processes.length === 1 ? '' : 'es'}`;
      say(`${name}: ${count}; look with: pm2-ops status`);
      return 0;
    },
  };
}
