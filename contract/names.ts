// The names of pm2-ops that others see.

/** The npm package, the PM2 module, and the prefix of all our messages. */
export const NAME = 'pm2-ops';

/** The name of the agent's script in stack traces and profiles. */
export const AGENT_URL = 'pm2-ops:agent';

/** A file in the state folder about the running module: `{ pid, version, pm2File }`. The command finds PM2 with it. */
export const MODULE_FILE = 'module.json';

/** The reloads that have begun and are not over, in the state folder. */
export const RELOADS_FILE = 'reloads.json';
