/** Where things are. */
import { join } from 'node:path';

export const REPOSITORY = join(import.meta.dirname, '../..');
/** The suites as scripts/conformance/sources.sh has made them. */
export const SUITES = join(REPOSITORY, '.cache/conformance/suites');
export const RESULTS = join(REPOSITORY, '.cache/conformance/results');
/** For the tests too: the suites shall see the machine's programs, not those a developer has put before them. */
export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
