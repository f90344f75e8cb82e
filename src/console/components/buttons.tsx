import type { ComponentChildren, InputHTMLAttributes, TargetedSubmitEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { schedule } from '../time.ts';
import './focus-restoration.ts';
import { runAction } from './toast.tsx';
import { useDismiss, useViewportShift } from './use-popover.ts';

export { CopyButton } from './copy.tsx';

interface ActionProps {
  /** What is done; the sentence that it gives is told. */
  do: () => Promise<string>;
  children: ComponentChildren;
  disabled?: boolean;
  title?: string;
  kind?: 'main' | 'danger';
}

/**
 * Does something, once at a time. While it cannot be pressed it is not disabled for the browser, which would take the focus away from
 * who goes by keys.
 */
function Button({ do: work, children, disabled = false, title, kind, label, ignoreRepeats = false }: Button) {
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
      title={title}
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
interface Button extends Omit<ActionProps, 'do' | 'title' | 'kind'> {
  do: () => Promise<unknown>;
  title?: string | undefined;
  kind?: ActionProps['kind'] | undefined;
  label?: string | undefined;
  /** What has to be meant: no part of a double-click, no key that is held. */
  ignoreRepeats?: boolean;
}

/** A button that does something. */
export const ActionButton = ({ do: work, ...rest }: ActionProps) => <Button {...rest} do={() => runAction(work)} />;

/** Between two presses that are meant. */
const CONFIRM_DELAY_MS = 500;
const CONFIRM_TIMEOUT_MS = 4000;

interface ConfirmButtonProps extends Omit<ActionProps, 'kind' | 'children'> {
  children: string;
  /** What it is done to, for those who do not see what it stands beside. */
  target?: string;
}

/**
 * One that cannot be taken back: it has to be pressed twice. A double-click or a key that is held is one press, and not for a moment
 * after it can the second come.
 */
export function ConfirmButton({ do: work, children, target, disabled = false, title }: ConfirmButtonProps) {
  const [confirmation, setConfirmation] = useState<'nothing' | 'just now' | 'whether'>('nothing');
  useEffect(() => {
    if (confirmation === 'just now') return schedule(CONFIRM_DELAY_MS, () => setConfirmation('whether'));
    if (confirmation === 'whether') return schedule(CONFIRM_TIMEOUT_MS, () => setConfirmation('nothing'));
    return undefined;
  }, [confirmation]);
  async function handlePress(): Promise<void> {
    if (confirmation === 'nothing') return setConfirmation('just now');
    await runAction(work);
    setConfirmation('nothing');
  }
  const isConfirming = confirmation !== 'nothing';
  const text = isConfirming ? `Really ${children.charAt(0).toLowerCase()}${children.slice(1)}` : children;
  const questionMark = isConfirming ? '?' : '';
  return (
    <Button
      do={handlePress}
      ignoreRepeats
      label={target && `${text} ${target}${questionMark}`}
      disabled={disabled || confirmation === 'just now'}
      title={title}
      kind={isConfirming ? 'danger' : undefined}
    >
      {text + questionMark}
    </Button>
  );
}

interface PopoverProps {
  label: string;
  /** Gets what closes it. */
  children: (close: () => void) => ComponentChildren;
}

/** A form that opens under a button, and closes when it is left or done. */
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
  );
}

interface FormProps {
  label: string;
  submit: string;
  /** Gets what the fields say, blank ones left out. */
  do: (fields: Record<string, string>) => Promise<string>;
  onDone?: () => void;
  children: ComponentChildren;
}

export function Form({ label, submit, do: work, onDone, children }: FormProps) {
  // Who presses twice means it once.
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
    <form aria-label={label} onSubmit={(event) => void handleSubmit(event)}>
      {children}
      <button type="submit" class="main">
        {submit}
      </button>
    </form>
  );
}

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
  /** What is chosen; where nobody is told of a change, at first. */
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
        // Written at each redraw, over what somebody has chosen.
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
