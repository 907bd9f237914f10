/**
 * Holds the titles of the tests against the text of the specification, which is not part of this repository:
 *     coverage.ts DIRECTORY        a checkout of opencontainers/runtime-spec
 * Fails when a title quotes what is not there, or when a sentence with a demand has neither a test nor a reason.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { demands, readHeadings, readSentences } from './support/sentences.ts';
import { UNTESTED } from './untested.ts';

const DOCUMENTS = ['runtime.md', 'runtime-linux.md', 'bundle.md', 'config.md', 'config-linux.md'];
const TITLE = /([a-z-]+\.md), ([^:]+): “(.*)”/s;

interface Quote {
  readonly document: string;
  readonly heading: string;
  readonly sentence: string;
}

const quotes = readQuotes();
const faults = DOCUMENTS.flatMap(checkDocument);
for (const fault of faults) console.log(fault);
console.log(`${quotes.length} tests, ${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;

function readQuotes(): Quote[] {
  const vitest = [
    'node_modules/vitest/vitest.mjs',
    'list',
    '--project',
    'conformance',
    '--no-static-parse',
    '--json',
  ];
  const output = execFileSync(process.execPath, vitest, { encoding: 'utf8', maxBuffer: 2 ** 24 });
  const tests = JSON.parse(output.slice(output.indexOf('['))) as { name: string }[];
  return tests.map(({ name }) => {
    const [, document = '', heading = '', sentence = ''] = TITLE.exec(name) ?? [];
    if (sentence === '') throw new Error(`This title quotes no sentence: ${name}`);
    return { document, heading, sentence };
  });
}

function checkDocument(document: string): string[] {
  const markdown = readFileSync(join(process.argv[2] ?? '', document), 'utf8');
  const sentences = readSentences(markdown);
  const text = sentences.join(' ');
  const headings = readHeadings(markdown);
  const own = quotes.filter((quote) => quote.document === document);
  const covers = (quoted: string, sentence: string) => sentence.includes(quoted) || quoted.includes(sentence);
  return [
    ...own
      .filter(({ sentence }) => !text.includes(sentence))
      .map(({ sentence }) => `${document} does not say: ${sentence}`),
    ...own
      .filter(({ heading }) => !headings.includes(heading))
      .map(({ heading }) => `${document} has no section ${heading}`),
    ...sentences
      .filter(demands)
      .filter((sentence) => !own.some((quote) => covers(quote.sentence, sentence)))
      .filter((sentence) => !(UNTESTED[document] ?? []).some(([quoted]) => covers(quoted, sentence)))
      .map((sentence) => `${document}: nothing tests: ${sentence}`),
  ];
}
