/** The version of this program; a test holds it equal to package.json's. */
export const VERSION = '0.1.0';

/** The commit that dist/ was built from; scripts/bundle.ts knows it. Nobody built what runs from its sources. */
export const COMMIT = process.env.TSRUN_COMMIT ?? 'unknown';
