// The version of this build. The build puts it in from package.json.
declare const PM2_OPS_VERSION: string | undefined;

/** The version of pm2-ops. */
export const VERSION: string = typeof PM2_OPS_VERSION === 'string' ? PM2_OPS_VERSION : '0.0.0-source';
