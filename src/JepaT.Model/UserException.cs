namespace JepaT.Model;

/// <summary>
/// A mistake that the user can mend: a bad file, key or value. The message is one line that names the thing and the mend;
/// the command line prints it without a stack trace and exits with a code other than 0.
/// </summary>
public sealed class UserException : Exception
{
    /// <param name="message">One line: what is wrong with what, and what to do.</param>
    public UserException(string message) : base(message) { }

    /// <param name="message">One line: what is wrong with what, and what to do.</param>
    /// <param name="cause">What was thrown underneath.</param>
    public UserException(string message, Exception cause) : base(message, cause) { }
}
