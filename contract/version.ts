// The version of this build, put in by the build from package.json (from the file itself when run from source).
declare const PM2_OPS_VERSION: string | undefined;

/** Semantic version of pm2-ops. */
export const VERSION: string = typeof PM2_OPS_VERSION === 'string' ? PM2_OPS_VERSION : '0.0.0-source';
