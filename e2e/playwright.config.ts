import { defineConfig } from '@playwright/test';
import { BARE, launchOptions } from './src/browsers.ts';

// The long run has what the daily one leaves out.
const LONG = Boolean(process.env['E2E_LONG']);

// A test runs on a wide screen, unless it is tagged: @phone on the phone only, @both on each, @wide on a wide screen and,
// in the long run, on the phone. @long: in the long run only.
export default defineConfig({
  testDir: 'tests',
  // It writes into the docs, so it is asked for by name: `make pictures`.
  testIgnore: process.env['E2E_PICTURES'] ? [] : ['pictures.spec.ts'],
  outputDir: 'test-results',
  // How components looked, for the gallery: the same on every machine of one distribution.
  snapshotPathTemplate: '{testDir}/../looks/{arg}{ext}',
  // Every file has a server of its own and its tests share it, so files run side by side and tests in a row.
  fullyParallel: false,
  workers: process.env['E2E_WORKERS'] ? Number(process.env['E2E_WORKERS']) : 2,
  forbidOnly: Boolean(process.env['CI']),
  // A second try is reported as flaky, not hidden.
  retries: process.env['CI'] ? 1 : 0,
  timeout: 240_000,
  expect: { timeout: 45_000 },
  reporter: [['list', { printSteps: false }]],
  use: {
    actionTimeout: 45_000,
    navigationTimeout: 45_000,
    colorScheme: 'light',
    locale: 'en-GB',
    screenshot: 'only-on-failure',
    trace: 'off',
    launchOptions: launchOptions(BARE),
  },
  projects: [
    {
      name: 'desktop',
      ...(LONG ? { grep: /@long/ } : {}),
      grepInvert: LONG ? /@phone/ : /@phone|@long/,
      use: { viewport: { width: 1440, height: 900 } },
    },
    {
      name: 'phone',
      grep: LONG ? /@wide|@phone.*@long|@both.*@long/ : /@phone|@both/,
      ...(LONG ? {} : { grepInvert: /@long/ }),
      use: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
    },
  ],
});
