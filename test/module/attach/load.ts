/** Sets a global and tells about the process. */
export const LOAD = {
  source: `exports.install = (argument) => {
    globalThis.loaded = (globalThis.loaded || 0) + 1;
    return { pid: process.pid, argument, platform: require('node:os').platform() };
  };`,
  argument: { version: 'test' } as unknown,
};
