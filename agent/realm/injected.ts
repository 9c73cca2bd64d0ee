// What the module evaluates in an app: the agent's two functions, to be called in its own realm. No `export`, because what the
// build makes of one uses the app's `Object`.
import type { AgentOptions } from '../../contract/agentMessages.ts';
import { enter } from './enter.ts';

declare const module: { exports: unknown };

module.exports = {
  install: (load: { options: AgentOptions; nonce: string }) => enter().install(load),
  knock: () => enter().knock(),
};
