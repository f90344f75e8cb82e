import { formatSetting, SETTING_NAMES, toEnvVariable } from '../settings/config.ts';
import { SETTINGS } from '../settings/settings.ts';

/** Formats the text that `--help` prints. */
export function formatHelp(): string {
  const formatFlag = (name: string, description: string) => `  --${name.padEnd(24)} ${description}`;
  const settings = SETTING_NAMES.map((name) => {
    const { fallback, description } = SETTINGS[name];
    const defaultText = fallback === undefined ? '' : ` (default ${formatSetting(name, fallback)})`;
    return formatFlag(name, `${description}${defaultText}`);
  });
  return `nanophoto-emulator: a self-hosted emulator of the NanoPhoto.AI API

Usage: nanophoto-emulator [start] [flags]               start the emulator
       nanophoto-emulator start --detach [flags]        start it in the background and print its URL and pid as JSON
       nanophoto-emulator wait [flags]                  wait until an emulator is ready at --host and --port
       nanophoto-emulator stop [flags]                  stop the emulator that start --detach started at --port
       nanophoto-emulator env [flags]                   print "export" lines for a shell that uses that emulator
       nanophoto-emulator exec [flags] -- <command> …   run a command with an emulator of its own
       nanophoto-emulator ca [flags]                    print the CA certificate that clients must trust
       nanophoto-emulator healthcheck [flags]           exit with 0 if an emulator is ready at --host and --port, else 1
       nanophoto-emulator config [flags]                print the effective settings
       nanophoto-emulator verify [flags]                check a server against the API contract; see verify --help
       nanophoto-emulator drift [flags] <dir>           compare recorded responses with the contract and the emulator;
                                                        see drift --help
       nanophoto-emulator import [flags] <path> …       replay recorded responses; see import --help
       nanophoto-emulator state export|import <file>    save an account as a file, and load it; see state --help
       nanophoto-emulator open [flags] <path>           show accounts of files in the console, read-only; see open --help

Every flag can be set by an environment variable, for example --data-dir by ${toEnvVariable('data-dir')}.
A flag overrides its variable. PORT also sets the port.

${settings.join('\n')}

${formatFlag('detach', 'only with start: return when the emulator is ready; the emulator runs until stop')}
${formatFlag('timeout-ms', 'only with wait: exit with 2 if no emulator is ready after this time (default 30000)')}
${formatFlag('proxy', 'only with env: also print the variables that redirect https://nanophoto.ai to the emulator')}

exec keeps everything in memory and listens on a free port. Its defaults are --clock auto and --log-level warn.
Flags of exec:
${formatFlag('report', 'print credits spent and lint findings about the client when the command ends')}
${formatFlag('fail-on-verdict', 'exit with 1 if the verdict has findings')}
${formatFlag('artifacts', 'write the state, the requests and a summary of each account to this directory')}
${formatFlag('record', 'start no emulator: forward requests to --upstream and record the responses in this directory')}
${formatFlag('upstream', 'only with --record: URL of the service, https://nanophoto.ai')}
${formatFlag('spend', 'only with --record: maximum credits that the requests may cost (default 0)')}
${formatFlag('record-files', 'only with --record: also keep the result files')}

${formatFlag('help', 'print this text')}
${formatFlag('version', 'print the version')}

The documentation is in the folder docs of the package. docs/guides/i-see.md leads from a symptom to its fix.`;
}
