/** The agent as one text, which the build puts here. */
declare module 'pm2-ops:agent-source' {
  const source: string;
  export default source;
}
