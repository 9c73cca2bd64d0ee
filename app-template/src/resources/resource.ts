// What each resource has.

export type { Resource } from 'pm2-ops/lifecycle';
