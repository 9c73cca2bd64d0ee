// What pm2-ops calls itself where others see it.

/** npm package, PM2 module and prefix of every message of ours. */
export const NAME = 'pm2-ops';

/** What the agent's script is called where V8 shows scripts, such as in a profile. */
export const AGENT_URL = 'pm2-ops:agent';

/** The running module, in the state folder: `{ pid, version, pm2File }`. The command finds the PM2 that its daemon runs by it. */
export const MODULE_FILE = 'module.json';
