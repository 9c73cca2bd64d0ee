// What pm2-ops calls itself where others see it.

/** npm package, PM2 module and prefix of every message of ours. */
export const NAME = 'pm2-ops';

/** What the agent's script is called where V8 shows scripts, such as in a profile. */
export const AGENT_URL = 'pm2-ops:agent';
