// `pm2-ops detach`: the module's action of that name, for one app, one id, or all.
import { moduleVerb } from '../moduleVerb.ts';

export const detach = moduleVerb('detach', 'Takes the agent out again, until the next attach or restart.');
