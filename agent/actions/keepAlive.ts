// With keep-alive off, every later response ends its connection. Clients come back on new ones, which PM2 spreads over all instances.
// The instance still takes new connections.
import type { Actions } from '../context.ts';
import { requireServer } from './server.ts';

export const disableKeepAlive: Actions['disable-keepalive'] = async (_params, { engine }) => {
  requireServer(engine, 'change');
  const connections = engine.disableKeepAlive();
  return { keepAlive: engine.keepAlive(), connections };
};

export const enableKeepAlive: Actions['enable-keepalive'] = async (_params, { engine }) => {
  requireServer(engine, 'change');
  const connections = engine.enableKeepAlive();
  return { keepAlive: engine.keepAlive(), connections };
};
