// The script that the module evaluates in an app: the agent's functions, which run in the agent's realm. It has no `export`,
// because the build turns one into code that uses the app's `Object`.
import type { AgentOptions } from '../../contract/agentMessages.ts';
import { type EnteredAgent, enter } from './enter.ts';

declare const module: { exports: unknown };

let entered: EnteredAgent | undefined;

module.exports = {
  /** Makes the realm and compiles the agent, which changes nothing in the app: the module has it done in a turn of its own. */
  prepare: () => {
    entered = enter();
  },
  install: (load: { options: AgentOptions; nonce: string }) => (entered ?? enter()).install(load),
  knock: () => enter().knock(),
};
