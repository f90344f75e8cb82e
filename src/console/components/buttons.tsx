import type { ComponentChildren, InputHTMLAttributes, TargetedSubmitEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { isReadOnly } from '../state/read-only.ts';
import { schedule } from '../time.ts';
import './focus-restoration.ts';
import { runAction } from './toast.tsx';
import { useDismiss, useViewportShift } from './use-popover.ts';

export { CopyButton } from './copy.tsx';

/** Shows its content unless the emulator is read-only. */
const UnlessReadOnly = ({ children, isRead = false }: ReadProps & { children: ComponentChildren }) =>
  isReadOnly() && !isRead ? null : children;

interface ReadProps {
  /** Whether the action changes nothing, so that a read-only emulator offers it as well. */
  isRead?: boolean | undefined;
}

interface ActionProps {
  /** The action; resolves to the message for the toast. */
  do: () => Promise<string>;
  children: ComponentChildren;
  disabled?: boolean;
  kind?: 'main' | 'destructive' | 'danger';
}

interface ButtonProps extends Omit<ActionProps, 'do' | 'kind'> {
  do: () => Promise<unknown>;
  kind?: ActionProps['kind'] | undefined;
  /** Accessible name, if the content is not enough. */
  label?: string | undefined;
  /** Ignores the second click of a double-click and the repeats of a key that is held down. */
  ignoreRepeats?: boolean;
}

/**
 * A button that runs one action at a time. Uses `aria-disabled`, because browsers take the focus away from a disabled
 * button, which would strand keyboard users.
 */
function Button({ do: work, children, disabled = false, kind, label, ignoreRepeats = false }: ButtonProps) {
  const [isBusy, setBusy] = useState(false);
  const isDisabled = disabled || isBusy;
  async function run(): Promise<void> {
    setBusy(true);
    await work().finally(() => setBusy(false));
  }
  return (
    <button
      type="button"
      class={kind}
      aria-disabled={isDisabled}
      aria-label={label}
      onKeyDown={(event) => {
        if (ignoreRepeats && event.repeat) event.preventDefault();
      }}
      onClick={({ detail }) => {
        if (!isDisabled && !(ignoreRepeats && detail > 1)) void run();
      }}
    >
      {children}
    </button>
  );
}

/** A button that runs an action and shows its outcome as a toast. */
export const ActionButton = ({ do: work, isRead, ...rest }: ActionProps & ReadProps) => (
  <UnlessReadOnly isRead={isRead}>
    <Button {...rest} do={() => runAction(work)} />
  </UnlessReadOnly>
);

/** Minimum time between the two clicks, so that the second one is deliberate. */
const CONFIRM_DELAY_MS = 500;
const CONFIRM_TIMEOUT_MS = 4000;

interface ConfirmButtonProps extends Omit<ActionProps, 'kind' | 'children'> {
  children: string;
  /** The object of the action, added to the accessible name. */
  target?: string;
}

/**
 * A button for an irreversible action: needs a second click to confirm, and is disabled for a moment after the first.
 * A double-click or a key that is held down counts as one click.
 */
export function ConfirmButton({ do: work, children, target, disabled = false }: ConfirmButtonProps) {
  const [phase, setPhase] = useState<'idle' | 'delay' | 'confirm'>('idle');
  useEffect(() => {
    if (phase === 'delay') return schedule(CONFIRM_DELAY_MS, () => setPhase('confirm'));
    if (phase === 'confirm') return schedule(CONFIRM_TIMEOUT_MS, () => setPhase('idle'));
    return undefined;
  }, [phase]);
  async function handlePress(): Promise<void> {
    if (phase === 'idle') return setPhase('delay');
    await runAction(work);
    setPhase('idle');
  }
  const isConfirming = phase !== 'idle';
  const text = isConfirming ? `Really ${children.charAt(0).toLowerCase()}${children.slice(1)}` : children;
  const questionMark = isConfirming ? '?' : '';
  return (
    <UnlessReadOnly>
      <Button
        do={handlePress}
        ignoreRepeats
        label={target && `${text} ${target}${questionMark}`}
        disabled={disabled || phase === 'delay'}
        kind={isConfirming ? 'danger' : 'destructive'}
      >
        {text + questionMark}
      </Button>
    </UnlessReadOnly>
  );
}

interface PopoverProps {
  label: string;
  /** Renders the content; receives a function that closes the popover. */
  children: (close: () => void) => ComponentChildren;
}

/** A form that opens below a button, and closes on Escape, when the focus leaves it, or when it has been submitted. */
export function Popover({ label, children }: PopoverProps) {
  const [isOpen, setOpen] = useState(false);
  const container = useRef<HTMLDivElement>(null);
  const popover = useRef<HTMLDivElement>(null);
  const shift = useViewportShift(popover, isOpen);
  const close = () => {
    setOpen(false);
    container.current?.querySelector('button')?.focus();
  };
  useDismiss(container, isOpen, (isEscaped) => (isEscaped ? close() : setOpen(false)));
  useEffect(() => {
    if (isOpen) popover.current?.querySelector<HTMLElement>('input, select, button')?.focus();
  }, [isOpen]);
  return (
    <UnlessReadOnly>
      <div class="pop-box" ref={container}>
        <button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {label}
        </button>
        {isOpen && (
          <div class="pop" ref={popover} style={shift}>
            {children(close)}
          </div>
        )}
      </div>
    </UnlessReadOnly>
  );
}

interface FormProps extends ReadProps {
  label: string;
  submit: string;
  /** Receives the values of all fields that are not blank; resolves to the message for the toast. */
  do: (fields: Record<string, string>) => Promise<string>;
  onDone?: () => void;
  children: ComponentChildren;
}

export function Form({ label, submit, do: work, onDone, isRead, children }: FormProps) {
  // Ignores a second submit while the first one runs.
  const isBusy = useRef(false);
  async function handleSubmit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (isBusy.current) return;
    isBusy.current = true;
    const filled = [...new FormData(event.currentTarget)].filter(([, value]) => value !== '');
    const isSuccess = await runAction(() => work(Object.fromEntries(filled) as Record<string, string>)).finally(() => {
      isBusy.current = false;
    });
    if (isSuccess) onDone?.();
  }
  return (
    <UnlessReadOnly isRead={isRead}>
      <form aria-label={label} onSubmit={(event) => void handleSubmit(event)}>
        {children}
        <button type="submit" class="main">
          {submit}
        </button>
      </form>
    </UnlessReadOnly>
  );
}

/** A popover with a form that closes it. */
export const FormPopover = ({ button, ...form }: Omit<FormProps, 'onDone'> & { button: string }) => (
  <Popover label={button}>{(close) => <Form {...form} onDone={close} />}</Popover>
);

type FieldProps = { label: string; hint?: string } & InputHTMLAttributes<HTMLInputElement>;

export function Field({ label, hint, ...input }: FieldProps) {
  return (
    <label class="field">
      <span>{label}</span>
      <input autoComplete="off" {...input} />
      {hint && <small>{hint}</small>}
    </label>
  );
}

interface SelectFieldProps {
  label: string;
  name: string;
  options: readonly (string | readonly [value: string, text: string])[];
  /** The selected value; only the initial one without `onChange`. */
  value?: string;
  onChange?: (value: string) => void;
}

export function SelectField({ label, name, options, value, onChange }: SelectFieldProps) {
  const [initialValue] = useState(value);
  const selected = onChange ? value : initialValue;
  return (
    <label class="field">
      <span>{label}</span>
      <select
        name={name}
        // Only for a controlled field: each render writes `value`, which would overwrite the user's choice.
        {...(onChange && { value, onChange: (event) => onChange(event.currentTarget.value) })}
      >
        {options.map((option) => {
          const [optionValue, text] = typeof option === 'string' ? [option, option] : option;
          return (
            <option key={optionValue} value={optionValue} selected={optionValue === selected}>
              {text}
            </option>
          );
        })}
      </select>
    </label>
  );
}
