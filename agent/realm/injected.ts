// The script that the module evaluates in an app: the agent's two functions, which run in the agent's realm. It has no `export`,
// because the build turns one into code that uses the app's `Object`.
import type { AgentOptions } from '../../contract/agentMessages.ts';
import { enter } from './enter.ts';

declare const module: { exports: unknown };

module.exports = {
  install: (load: { options: AgentOptions; nonce: string }) => enter().install(load),
  knock: () => enter().knock(),
};
