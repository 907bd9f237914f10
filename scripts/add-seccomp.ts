/** node add-seccomp.ts CONFIG gives a config.json the filter of system calls that engines ask for: Docker's. */
import { readFileSync, writeFileSync } from 'node:fs';
import { kernelRelease, readHostFacts } from '../src/runtime/host-facts.ts';
import { DEFAULT_CAPABILITIES } from '../src/security/capabilities.ts';
import { defaultSeccomp } from '../src/security/seccomp-default.ts';
import { kernelVersionOf } from '../src/spec/docker-seccomp.ts';
import { parseExactJson, stringifyExactJson } from '../src/spec/exact-json.ts';
import type { RuntimeSpec } from '../src/spec/runtime.ts';

const [file = ''] = process.argv.slice(2);
const config = parseExactJson(readFileSync(file, 'utf8')) as RuntimeSpec;
const seccomp = defaultSeccomp(DEFAULT_CAPABILITIES, readHostFacts().arch, kernelVersionOf(kernelRelease()));
writeFileSync(file, stringifyExactJson({ ...config, linux: { ...config.linux, seccomp } }));
