// tx2 has no types of its own; only what is used here (https://github.com/pm2/tx2/blob/master/API.md).
declare module 'tx2' {
  const tx2: {
    metric(options: { name: string; value: () => number | string }): void;
    meter(options: { name: string; samples: number; timeframe: number }): { mark(): void };
    histogram(options: { name: string; measurement: 'p95' }): { update(value: number): void };
    /** A handler that takes two arguments gets the parameter of `pm2 trigger`: a string, or {} without one. */
    action(name: string, handler: (param: unknown, reply: (data: object) => void) => void): void;
  };
  export default tx2;
}
