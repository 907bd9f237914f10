import { expect, test } from 'vitest';
import { proxyFor } from '../../../src/registry/proxy.ts';

const HTTPS_PROXY = 'http://proxy.example:3128';

test.each([
  ['https://registry.example/v2/', '', HTTPS_PROXY],
  ['https://registry.example/v2/', 'other.example', HTTPS_PROXY],
  ['https://registry.example/v2/', 'registry.example', undefined],
  ['https://registry.example/v2/', 'example', undefined],
  ['https://registry.example/v2/', '.example', undefined],
  ['https://registry.example/v2/', '*.example', undefined],
  ['https://myexample/v2/', '.example', HTTPS_PROXY],
  ['https://registry.example:5000/v2/', 'registry.example:5000', undefined],
  ['https://registry.example:5000/v2/', 'registry.example:5001', HTTPS_PROXY],
  ['https://registry.example/v2/', 'registry.example:443', undefined],
  ['https://10.1.2.3/v2/', ' 10.0.0.0/8 , x', undefined],
  ['https://11.1.2.3/v2/', '10.0.0.0/8', HTTPS_PROXY],
  ['https://[2001:db8::1]/v2/', '2001:db8::/32', undefined],
  ['https://[2001:db8::1]/v2/', '2001:db8::1', undefined],
  ['https://registry.example/v2/', '*', undefined],
  ['https://localhost:5000/v2/', '', undefined],
  ['https://127.3.2.1/v2/', '', undefined],
  ['https://[::1]:5000/v2/', '', undefined],
  ['http://registry.example/v2/', '', undefined],
])('%s with NO_PROXY=%j', (url, NO_PROXY, expected) => {
  expect(proxyFor(new URL(url), { HTTPS_PROXY, NO_PROXY })).toBe(expected);
});

test('names in lower case count, and a proxy without a scheme is one of HTTP', () => {
  expect(proxyFor(new URL('https://a.example'), { https_proxy: 'proxy:1' })).toBe('http://proxy:1');
  expect(proxyFor(new URL('http://a.example'), { http_proxy: 'proxy:2' })).toBe('http://proxy:2');
});
