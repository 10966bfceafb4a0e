using System.Net;

namespace JepaT.Lab;

/// <summary>A call to MLflow that failed, in one line, without a secret.</summary>
public sealed class MlflowException : Exception
{
    /// <summary>Makes one.</summary>
    /// <param name="message">One line.</param>
    /// <param name="inner">The cause.</param>
    public MlflowException(string message, Exception? inner = null) : base(message, inner)
    {
    }

    /// <summary>The status of the answer; null when none came.</summary>
    public HttpStatusCode? StatusCode { get; init; }

    /// <summary>MLflow's word, e.g. RESOURCE_DOES_NOT_EXIST; null when the answer had none.</summary>
    public string? ErrorCode { get; init; }

    /// <summary>How long the server asks to wait.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Whether the same call may succeed later.</summary>
    public bool IsTransient { get; init; }

    /// <summary>Whether the server may have done what was asked all the same.</summary>
    public bool MayHaveArrived { get; init; }

    /// <summary>The server's time of the answer, to compare with its other times.</summary>
    internal DateTimeOffset? ServerTime { get; init; }
}
