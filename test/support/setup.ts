import { afterAll } from 'vitest';
import { removeLastingTempDirs } from './temp-dir.ts';
import './wait-longer.ts';

// Vitest loads this file again for each test file. Hooks of all other modules would belong to the first test file that
// imports them, because the test files of a worker share their modules.
afterAll(removeLastingTempDirs);
